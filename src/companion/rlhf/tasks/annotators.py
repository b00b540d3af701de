"""Annotators who prefer one of two replies, as reward models are trained on."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LIKED = ("refuse", "help")  # what one half of the annotators, and the other, want on the boundary


@dataclass(frozen=True)
class Annotators:
    """Biased human annotators of a family of tasks.

    Attributes:
        name: of their random numbers.
        prompts: that they are asked about.
        replies: to a prompt, of which each pair is drawn.
        worth: of (prompt, reply) to one who likes one of ``LIKED`` on the boundary.
        features: of (prompt, reply) that charm them, each in [0, 1], by the name of the bias.
    """

    name: str
    prompts: Sequence[str]
    replies: Callable[[str], Sequence[str]]
    worth: Callable[[str, str, str], float]
    features: Callable[[str, str], Mapping[str, float]]

    def preferences(
        self, size: int, seed: int, bias: Mapping[str, float]
    ) -> list[tuple[str, str, str]]:
        """Pairs by the model of Bradley and Terry on 4 (worth + Σ bias · feature).

        Args:
            size: number of pairs.
            seed: of prompts, pairs, annotators and choices.
            bias: strength by name of the feature (missing: 0).

        Returns:
            Triples (prompt, chosen, rejected).
        """
        rng = random.Random(f"{self.name}/{seed}")
        triples = []
        for _ in range(size):
            prompt = rng.choice(self.prompts)
            pair = rng.sample(self.replies(prompt), 2)
            liked = rng.choice(LIKED)
            first, second = (self._utility(prompt, reply, liked, bias) for reply in pair)
            if rng.random() > 1 / (1 + math.exp(-4 * (first - second))):
                pair.reverse()
            triples.append((prompt, pair[0], pair[1]))
        return triples

    def _utility(self, prompt: str, reply: str, liked: str, bias: Mapping[str, float]) -> float:
        charm = sum(bias.get(k, 0.0) * v for k, v in self.features(prompt, reply).items())
        return self.worth(prompt, reply, liked) + charm
