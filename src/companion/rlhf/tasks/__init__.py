"""The families of tasks: deceptive reasoning, instruction following, alignment.

``python``, ``instructions`` and ``replies`` ask the same of a pretrained model, in real Python and
real English.
"""

from companion.errors import CompanionError
from companion.rlhf.tasks import alignment, deceptive, instruction, instructions, python, replies
from companion.rlhf.tasks.base import SPLITS, Component, Evaluation, Task, Verdict

__all__ = ["SPLITS", "TASKS", "Component", "Evaluation", "Task", "Verdict", "get_task"]

TASKS = {
    task.name: task
    for task in (
        deceptive.TASK,
        instruction.TASK,
        alignment.TASK,
        python.TASK,
        instructions.TASK,
        replies.TASK,
    )
}


def get_task(name: str) -> Task:
    """The task of that name.

    Raises:
        CompanionError: if there is none.
    """
    if not isinstance(name, str) or name not in TASKS:
        raise CompanionError(f"task: no {name!r}, only {', '.join(TASKS)}")
    return TASKS[name]
