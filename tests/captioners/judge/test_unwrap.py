"""Captions as models wrap them: what was put around one is taken off again, and a good caption stays as it is."""
# ruff: noqa: RUF001

from __future__ import annotations

import json

import pytest

from captioners.judge.checks import clean, issues, outcome
from tests.captioners.judge.test_checks import STREET

DOG = 'A brown dog runs along a beach towards a sign that reads "NO DOGS", then stops.'
LONG = f"{STREET} She looks up: the sky is grey."
CHINESE = "一个穿红色外套的女人沿着湿漉漉的街道走向镜头，身后一辆黄色电车缓缓驶来。"
GERMAN = "Eine Frau in grünem Mantel geht über eine nasse Straße; hinter ihr fährt eine Straßenbahn."

OPENINGS = [
    "Sure! Here is a detailed caption for the video:\n\n",
    "Sure! Here's a description of the shot:\n",
    "Sure, here is the caption you asked for: ",
    "Sure thing! ",
    "Certainly! Here is a one-paragraph description of the clip:\n\n",
    "Of course. Here is the same in one sentence: ",
    "Absolutely! Here’s a summary:\n",
    "Okay, here's a caption that describes the scene, based on the frames:\n\n",
    "Here's a caption:\n",
    "Here is a description of the video\n\n",
    "Here are the captions:\n\n",
    "Here you go: ",
    "Below is a description of the shot:\n\n",
    "**Caption:** ",
    "**Caption**: ",
    "**Detailed Description:**\n\n",
    "Caption: ",
    "Description of the video: ",
    "One-sentence summary: ",
    "## Caption\n\n",
    "# A street in the rain\n\n**Description:** ",
    "---\n",
    "- ",
    "Natürlich! Hier ist eine Beschreibung des Videos:\n\n",
    "Gerne! Hier ist die Bildunterschrift: ",
    "Beschreibung: ",
    "Bien sûr ! Voici une description de la vidéo :\n\n",
    "Voici la légende : ",
    "¡Claro! Aquí tienes una descripción del video:\n\n",
    "Por supuesto. Aquí está la descripción: ",
    "Claro! Aqui está a descrição do vídeo:\n",
    "Certo! Ecco una descrizione: ",
    "Конечно! Вот описание видео:\n\n",
    "好的，以下是对视频的描述：\n\n",
    "当然！以下是该视频片段的详细描述：",
    "以下是视频描述：",
    "描述：",
    "はい、以下はこの動画の説明です：\n",
    "물론입니다! 다음은 영상에 대한 설명입니다:\n\n",
]
CLOSINGS = [
    "",
    "\n\nLet me know if you'd like a shorter version!",
    "\n\nI hope this helps!",
    " Would you like me to make it more concise?",
    "\n\nFeel free to ask for changes.",
    "\n\n(Word count: 98)",
    " (112 words)",
    "\n---",
    "\n\n如果您需要更多细节，请告诉我。",
]
WRAPS = [
    "```\n{}\n```",
    "```text\n{}\n```",
    "```markdown\n{}\n```\nLet me know if you need anything else.",
    "Here is the caption:\n```\n{}\n```",
    '"{}"',
    "**{}**",
    "<think>\nThey want a caption: a dog.\n</think>\n\n{}",
]
OBJECTS = [
    {"caption": None},
    {"Caption": None},
    {"description": None},
    {"video_description": None, "objects": ["dog", "sign"]},
    {"caption": None, "caption_short": "A dog runs.", "confidence": 0.93},
    {"title": "Beach", "caption": None},
    {"sentence": None},
    {"result": {"caption": None}},
    {"video": [{"description": None}]},
    [{"caption": None}],
    [None],
]


@pytest.mark.parametrize("opening", OPENINGS)
def test_what_a_model_says_before_and_after_is_taken_off(opening: str) -> None:
    for closing in CLOSINGS:
        for caption in (DOG, LONG, CHINESE, GERMAN):
            assert clean(f"{opening}{caption}{closing}") == caption
            assert issues(caption, {}) == []


@pytest.mark.parametrize("wrap", WRAPS)
def test_fences_quotes_and_thoughts_are_taken_off(wrap: str) -> None:
    for caption in (LONG, CHINESE, GERMAN):
        assert clean(wrap.format(caption)) == caption


def put(value: object, caption: str) -> object:
    if isinstance(value, dict):
        return {key: put(inner, caption) for key, inner in value.items()}
    if isinstance(value, list):
        return [put(inner, caption) if inner != "dog" else inner for inner in value]
    return caption if value is None else value


@pytest.mark.parametrize("form", OBJECTS, ids=json.dumps)
@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", "Sure! Here is the JSON object:\n```json\n{}\n```"])
def test_json_gives_its_caption(form: object, wrap: str) -> None:
    for caption in (DOG, LONG, CHINESE):
        for indent in (None, 2):
            for ascii_only in (True, False):
                text = json.dumps(put(form, caption), indent=indent, ensure_ascii=ascii_only)
                assert clean(wrap.replace("{}", text)) == caption


def test_json_that_was_cut_off_gives_what_there_is() -> None:
    whole = json.dumps({"title": "Beach", "caption": DOG + " \u00e9t\u00e9"})
    for end in range(whole.index("brown"), len(whole)):
        said = clean(whole[:end])
        assert "{" not in said
        assert said.replace('"', "").startswith("A")
    assert clean('```json\n{"caption": "A dog runs') == "A dog runs"
    assert clean('{"caption": "A dog runs."}\n\nI hope this helps!') == "A dog runs."


@pytest.mark.parametrize(
    "caption",
    [
        STREET,
        DOG,
        CHINESE,
        GERMAN,
        "Sure-footed goats climb a cliff.",
        "Sure of himself, a man walks onto a stage.",
        "Here is where the river bends: a boat turns slowly.",
        "Here and there a bird rises from the reeds.",
        "Here, a girl jumps over a puddle.",
        "Great white sharks circle a cage.",
        "Okay Street, as a sign says, lies in fog.",
        "Absolutely still water reflects a mountain.",
        "Certain figures cross the square; others wait.",
        "Of course cars pass: it is rush hour.",
        "Captions roll over a black screen, white on black.",
        "Description boards line a museum hall.",
        'Title card: white letters on black say "THE END".',
        "Claro, a dog by its collar's name, sleeps in the sun.",
        "Klar und still liegt der See vor den Bergen.",
        "Natürlich gewachsene Hecken säumen den Weg.",
        'A man says "Sure! Here is a caption:" to a woman at a desk.',
        'A subtitle reads "Let me know when you arrive".',
        "A woman looks up and asks somebody a question. Would it be evening? The light is low.",
        "Two men - one tall, one short - carry a sofa - slowly - up the stairs.",
        "A scoreboard shows 1. FC 2 - 0 SV; the crowd cheers.",
        "A notice board with {curly} and [square] brackets.",
        "[1] is painted on the first door, [2] on the second.",
        "{x} is chalked on a wall.",
        "# is painted on a wall in red.",
        "A page of 98 words (in print) is turned.",
        "Code in ``` marks scrolls over a screen, and ends in ``` too.",
        "Summary executions are re-enacted on a stage in period costume.",
        "屏幕上的标题写着：“新年快乐”，两个孩子在跳舞。",
        "字幕写着：“再见”。一名男子转身离开。",
        "好的木材堆放在院子里，一只猫走过。",
        "当然不是每天都有雪，但此刻街道一片洁白。",
        "这是一条安静的街道：两旁是砖房。",
        "네 명의 아이들이 공원에서 뛰어논다.",
        "The clip in her hair glitters as she turns.",
        "A video plays on a screen in a shop window. The video shows a football match.",
    ],
)
def test_a_good_caption_stays_as_it_is(caption: str) -> None:
    assert clean(caption) == caption
    assert outcome(caption, "stop") == "ok"
    assert "says_more" not in issues(caption, {}) or "```" in caption
    for opening in ("Sure! Here is a caption:\n", "**Caption:** "):
        assert clean(f"{opening}{caption}") == caption


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"subject": "a dog", "action": "it runs", "setting": "a beach"}),
        "Subject: a brown dog. Setting: a beach at dusk. Camera: static.",
        "The shot shows these things: - A dog runs. - A sign stands. - The sea is calm.",
        "1. A dog runs along a beach. 2. It stops at a sign.",
        "A dog runs. Here is a shorter caption of it, too, let me know if it fits: a dog runs.",
        "Title: The beach A dog runs along it.",
    ],
)
def test_what_cannot_be_taken_off_is_flagged(text: str) -> None:
    assert "says_more" in issues(clean(text), {})


def test_a_caption_that_speaks_of_the_video_is_flagged() -> None:
    for text in (
        "The video shows a dog.",
        "This clip begins with a dog on a beach.",
        "A dog runs. In the video, it rains.",
    ):
        assert issues(text, {}) == ["says_video"]
    for text in ("The clip in her hair glitters.", "A man edits the video on two screens. The video shows a dog."):
        assert issues(text, {}) == []


@pytest.mark.parametrize(
    "text", ["Sure! Here is the caption:", "**Caption:**", "```json\n```", '{"caption": ""}', "Sure!"]
)
def test_an_answer_without_a_caption_is_none(text: str) -> None:
    assert outcome(clean(text), "stop") == "empty"


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "{" * 200_000, "```" * 50_000, "Sure! " * 50_000, "**" * 100_000 + "A dog."]
)
def test_no_answer_holds_up_the_work(text: str) -> None:
    assert len(clean(text)) <= len(text)
