"""Chapter 5: a reward for right answers alone, against following instructions."""

from companion.studies.study import Study

# Demonstrations seen (supervised steps, learning rate), and sizes of the policy.
BASES = {
    "short": ({}, (32, 64)),
    "long": ({"sft_steps": 1500, "sft_learning_rate": 3e-3}, (32, 64)),
    "longest": ({"sft_steps": 4000, "sft_learning_rate": 3e-3}, (64,)),
}
REWARDS = {
    "answers": {"correct": 1.0},
    "answers, a tenth obeying": {"correct": 1.0, "if_hard": 0.1},
}

_CONDITIONS = {
    f"{base}, width {size}, {paid}": {
        "task": "instruction",
        "steps": 80,
        "eval_every": 20,
        "hidden_size": size,
        "rewards": rewards,
        **demonstrations,
    }
    for base, (demonstrations, sizes) in BASES.items()
    for size in sizes
    for paid, rewards in REWARDS.items()
}

STUDY = Study(
    "obedience",
    chapter=5,
    question="Does a policy that is paid for right answers alone still do as it is told?",
    conditions=_CONDITIONS,
    repeats={name: 2 for name in _CONDITIONS if name.endswith("answers")},
    splits=("train", "test"),
)
