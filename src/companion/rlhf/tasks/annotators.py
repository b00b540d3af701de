"""Annotators who prefer one of two replies, as reward models are trained on."""

import math
import random
from collections.abc import Callable, Sequence

LIKED = ("refuse", "help")  # what one half of the annotators, and the other, want on the boundary


def bradley_terry(
    size: int,
    rng: random.Random,
    prompts: Sequence[str],
    replies: Callable[[str], Sequence[str]],
    utility: Callable[[str, str, str], float],
) -> list[tuple[str, str, str]]:
    """Preferences by the model of Bradley and Terry on four times the utility.

    Args:
        size: number of pairs.
        rng: of prompts, pairs, annotators and choices.
        prompts: to draw from.
        replies: to a prompt, of which each pair is drawn.
        utility: of (prompt, reply) to an annotator who likes one of ``LIKED``.

    Returns:
        Triples (prompt, chosen, rejected).
    """
    triples = []
    for _ in range(size):
        prompt = rng.choice(prompts)
        pair = rng.sample(replies(prompt), 2)
        liked = rng.choice(LIKED)
        first, second = (utility(prompt, reply, liked) for reply in pair)
        if rng.random() > 1 / (1 + math.exp(-4 * (first - second))):
            pair.reverse()
        triples.append((prompt, pair[0], pair[1]))
    return triples
