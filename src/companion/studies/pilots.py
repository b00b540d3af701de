"""Pilots: what survived of runs whose records were lost. Exploratory, shares alone."""

import pandas as pd

from companion.data import data_path
from companion.errors import CompanionError
from companion.studies.study import Key, Study

SMOLLM2 = "pilots/smollm2.csv"


def pilot(study: Study) -> pd.DataFrame:
    """Share of each behaviour in the samples of a study's pilot runs, on held-out prompts.

    Returns:
        Columns ``condition``, ``start``, ``repeat``, and one for each label; in the study's order.

    Raises:
        CompanionError: if the pilot has no run of the study.
    """
    table = pd.read_csv(data_path(SMOLLM2))
    own = table[table["study"] == study.name]
    if own.empty:
        raise CompanionError(f"data/{SMOLLM2}: no run of study {study.name}")
    wide = own.pivot(index=list(Key._fields), columns="label", values="share")
    wide = wide[own["label"].drop_duplicates()].reset_index().rename_axis(columns=None)
    order = {condition: i for i, condition in enumerate(study.conditions)}
    by = wide["condition"].map(order)
    return wide.assign(by=by).sort_values(["by", "start", "repeat"]).drop(columns="by")
