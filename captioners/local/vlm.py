"""A vision-language model in memory: conversations about clips in, greedy answers out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioners.base import CaptionServerError, ClipToDescribe
from captioners.chat.answer import Answer
from captioners.chat.conversation import Conversation, NoAnswer, with_roles

if TYPE_CHECKING:
    from PIL.Image import Image


class LocalVlm:
    """A model that `AutoModelForImageTextToText` loads, with its processor."""

    def __init__(self, folder: Path, *, max_tokens: int, batch_size: int) -> None:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.batch_size = batch_size
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self.processor: Any = AutoProcessor.from_pretrained(folder, **local)
        # Answers are read off the right end of the batch, so all prompts must end there.
        tokenizer = self.processor.tokenizer
        tokenizer.padding_side = "left"
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        # A processor without videos (one for single pictures) is given the frames as so many pictures.
        self.takes_videos = getattr(self.processor, "video_processor", None) is not None
        self.dtype = torch.bfloat16 if self.device == "cuda" else torch.float32
        model: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=self.dtype, use_safetensors=True, **local
        )
        self.model = model.to(self.device).eval()
        ends = model.generation_config.eos_token_id or tokenizer.eos_token_id
        self.ends = set(ends if isinstance(ends, list) else [ends])
        # Replaced as a whole: `generate` fills what a configuration leaves open from the model's.
        self.model.generation_config = GenerationConfig(
            do_sample=False,
            max_new_tokens=max_tokens,
            eos_token_id=sorted(self.ends),
            pad_token_id=tokenizer.pad_token_id,
        )

    def ask(self, conversations: Sequence[Conversation]) -> list[Answer | NoAnswer]:
        """An answer for each, in order; a batch that does not fit into the GPU's memory is halved.

        Raises:
            CaptionServerError: not even one conversation fits.
        """
        answers: list[Answer | NoAnswer] = []
        while len(answers) < len(conversations):
            batch = conversations[len(answers) : len(answers) + self.batch_size]
            found = self._answers_if_they_fit(batch)
            if found is not None:
                answers += found
            elif len(batch) > 1:
                self.batch_size = (len(batch) + 1) // 2
            else:
                raise CaptionServerError(
                    "a single clip does not fit into the GPU's memory: lower captioner.num_frames, captioner.long_side "
                    "or captioner.max_tokens, or take a smaller model"
                )
        return answers

    def _answers_if_they_fit(self, batch: Sequence[Conversation]) -> list[Answer | NoAnswer] | None:
        import torch

        pictures = [_pictures(conversation.clip.frames) for conversation in batch]
        readable = [(c, shown) for c, shown in zip(batch, pictures, strict=True) if shown is not None]
        try:
            found = iter(self._generated(self._inputs(readable)) if readable else ())
        except torch.OutOfMemoryError:
            found = None
        if found is None:
            # Only here, out of the handler, has the failed pass let go of its tensors.
            torch.cuda.empty_cache()
            return None
        unreadable = NoAnswer(detail="a frame that is no JPEG file")
        return [unreadable if shown is None else next(found) for shown in pictures]

    def _inputs(self, batch: Sequence[tuple[Conversation, list[Image]]]) -> dict[str, Any]:
        """Tensors for `generate`.

        Models of the Qwen2-VL kind are trained on videos of 2 frames a second and see two frames at a time, so 8 frames
        of a clip of 3-10 s are to them an ordinary video, for half the tokens of 8 pictures, and its clock tells them
        what is fast and what is slow.
        """
        texts = [
            self.processor.apply_chat_template(
                _chat(conversation.turns, ["video"] if self.takes_videos else ["image"] * len(shown)),
                tokenize=False,
                add_generation_prompt=True,
            )
            for conversation, shown in batch
        ]
        common: dict[str, Any] = {"text": texts, "padding": True, "return_tensors": "pt"}
        if self.takes_videos:
            # A time step is two frames; a clip of one frame stands still.
            videos = [shown if len(shown) > 1 else shown * 2 for _, shown in batch]
            clocks = [_clock(c.clip, len(video)) for (c, _), video in zip(batch, videos, strict=True)]
            options = {"video_metadata": clocks, "do_sample_frames": False}
            tensors = self.processor(videos=videos, videos_kwargs=options, **common)
        else:
            tensors = self.processor(images=[shown for _, shown in batch], **common)
        # Times among the inputs keep their precision; pixels have the model's.
        return {
            name: value.to(self.device, self.dtype if name.startswith("pixel_values") else None)
            for name, value in tensors.items()
        }

    def _generated(self, inputs: dict[str, Any]) -> list[Answer]:
        import torch

        with torch.inference_mode():
            tokens = self.model.generate(**inputs)
        return [self._answer(row) for row in tokens[:, inputs["input_ids"].shape[1] :].tolist()]

    def _answer(self, tokens: list[int]) -> Answer:
        """The text up to the first token that ends an answer; the longer answers of a batch pad the shorter."""
        end = next((i for i, token in enumerate(tokens) if token in self.ends), None)
        text = self.processor.tokenizer.decode(tokens[:end], skip_special_tokens=True)
        return Answer(text=text, finish_reason="length" if end is None else "stop")


def _chat(turns: Sequence[str], media: Sequence[str]) -> list[dict[str, Any]]:
    """The conversation in the form of chat templates: placeholders for the processor to fill, then the texts."""
    chat = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in with_roles(turns)]
    chat[0]["content"] = [*({"type": kind} for kind in media), {"type": "text", "text": turns[0]}]
    return chat


def _clock(clip: ClipToDescribe, num_frames: int) -> dict[str, Any]:
    """When each frame was: at the centres of equal parts, in a video that counts milliseconds as its frames. A picture
    is a second of standing still."""
    duration_ms = 1000 * float(clip.row["duration_seconds"] or 1.0)
    centres = [round(duration_ms * (i + 0.5) / num_frames) for i in range(num_frames)]
    return {"total_num_frames": round(duration_ms), "fps": 1000.0, "frames_indices": centres}


def _pictures(frames: Sequence[bytes]) -> list[Image] | None:
    """The JPEG files decoded; None where one cannot be."""
    from PIL import Image

    try:
        return [Image.open(io.BytesIO(jpeg), formats=["JPEG"]).convert("RGB") for jpeg in frames]
    except OSError:
        return None
