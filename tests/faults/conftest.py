from small_runs import lab

__all__ = ["lab"]
