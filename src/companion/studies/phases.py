"""Chapter 5: the same extra reward in two directions, on thoughts and on deeds, exact gradient."""

from companion.studies.graders import STARTS
from companion.studies.study import Study

WEIGHTS = (0.0, 0.1, 0.3, 1.0)

STUDY = Study(
    "phases",
    chapter=5,
    question="Does it matter more which way an extra reward points, or how large it is?",
    conditions={
        f"thoughts {monitor:g}, deeds {strong:g}": {
            "task": "deceptive",
            "trainer": "exact",
            "steps": 80,
            "eval_every": 10,
            "traces": STARTS["struggling"],
            "rewards": {"weak": 1.0, "monitor": monitor, "strong": strong},
        }
        for monitor in WEIGHTS
        for strong in WEIGHTS
    },
)
