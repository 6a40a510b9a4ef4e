"""Steps of sampling in which a transformer's blocks are left out, after TeaCache (arXiv 2411.19108).

From one step to the next the blocks add nearly the same, as long as what goes into them is nearly the same. How much
that has changed, as the first block sees it under the time, is summed up step by step; below a threshold, what the
blocks added last is added again. The first and the last step are always computed. TeaCache fits a polynomial for each
model, from that change to the one of the output; none is fitted here, so that thresholds of other programs mean
something else.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


class StepCache:
    """For one sample at a time: what is told apart by it is the whole batch."""

    def __init__(self, threshold: float) -> None:
        """Takes the change in all, relative to what goes in, from which on the blocks are asked again.

        Raises:
            ValueError: it is not positive.
        """
        if not 0 < threshold < float("inf"):
            raise ValueError(f"cache-steps is {threshold:g}, must be positive, such as 0.1")
        self.threshold = threshold
        self.asked = 0
        """Of all samples so far, how often the transformer was asked."""
        self.computed = 0
        """How often its blocks were."""
        self.begin(0)

    def begin(self, steps: int) -> None:
        """Forget the sample before; the next one has so many steps."""
        self._left = steps
        self._change = 0.0
        self._seen: torch.Tensor | None = None
        self._added: torch.Tensor | None = None

    def through(self, seen: torch.Tensor, video: torch.Tensor, blocks: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The video stream (B, N, D) behind the blocks.

        Args:
            seen: what goes into the first block (B, N, D), changed by the time.
            video: what goes into it.
            blocks: what computes them.
        """
        self._left -= 1
        self.asked += 1
        if self._seen is not None and self._seen.shape == seen.shape:
            self._change += float((seen - self._seen).abs().mean() / self._seen.abs().mean())
        self._seen = seen
        if self._left and self._added is not None and self._change < self.threshold:
            return video + self._added
        self.computed += 1
        answer = blocks()
        self._added, self._change = answer - video, 0.0
        return answer
