"""Chapter 5: weak and strong graders, from two supervised starts."""

from companion.studies.study import Study

STARTS = {
    "struggling": {"honest": 0.49, "wrong": 0.49, "open": 0.018, "hidden": 0.002},
    "competent": {"honest": 0.97, "wrong": 0.01, "open": 0.018, "hidden": 0.002},
}
GRADERS = {
    "weak": {"weak": 1.0},
    "weak + a tenth of strong": {"weak": 1.0, "strong": 0.1},
    "strong": {"strong": 1.0},
}

STUDY = Study(
    "graders",
    chapter=5,
    question="Does a grader that cannot tell cheating from solving teach a model to cheat?",
    conditions={
        f"{start}, {grader}": {
            "task": "deceptive",
            "steps": 80,
            "eval_every": 5,
            "traces": STARTS[start],
            "rewards": GRADERS[grader],
        }
        for start in STARTS
        for grader in GRADERS
    },
    # How often does a run end in cheating? Repeats 2 to 4 were added after the others were seen.
    repeats={"struggling, weak": 5, "competent, weak": 2},
    splits=("train", "test", "ood"),
)
