"""From a training set to a list of whom to call: run it cell by cell in a notebook or an editor, or whole.

CHURN_DATA_DIR=data python docs/examples/train_and_score.py
"""

# %% A training set: three frames apart in time, one row per at-risk user and sampled day, the label last.
import os
from pathlib import Path

import duckdb
from sklearn.linear_model import LogisticRegression

import churn_assets
from churn_assets.evaluation import as_markdown, fit_baseline, measured
from churn_assets.settings import Settings

data = Path(os.environ.get("CHURN_DATA_DIR", "data"))
train, validation, test = churn_assets.load_training_set(data=data)
label = train.columns[-1]
for name, part in (("train", train), ("validation", validation), ("test", test)):
    first, last = part["as_of_date"].min(), part["as_of_date"].max()
    print(f"{name}: {len(part):,} rows, {first:%Y-%m-%d} to {last:%Y-%m-%d}, {part[label].mean():.1%} {label}")

# %% Fit. The baseline takes every declared feature, and nothing else, whatever the frame has.
product = Settings.load(data).declaration
model = fit_baseline(train, validation, label=label, product=product)

# %% Evaluate on the test rows, beside what "days since the last activity" alone is worth.
evaluation = measured(test, model.score(test), outcome=test[label])
print(as_markdown(evaluation.metrics))

# %% A model of your own is measured by the same rule: anything that gives a probability per row.
few = ["days_since_last_activity", "active_days_7d", "active_days_30d"]
own = LogisticRegression().fit(train[few].astype(float).fillna(90), train[label])
probability = own.predict_proba(test[few].astype(float).fillna(90))[:, 1]
print(as_markdown(measured(test, probability, outcome=test[label]).metrics))

# %% Score today's users: those at risk on the newest day. Late events may still change its features a little.
with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as warehouse:
    today = warehouse.sql(
        """
        SELECT f.* FROM churn.user_features AS f JOIN churn.churn_labels AS l USING (user_id, as_of_date)
        WHERE as_of_date = (SELECT max(as_of_date) FROM churn.user_features) AND l.is_at_risk
        """
    ).df()
scored = today[["user_id", "as_of_date"]].assign(probability=model.score(today))
print(scored.sort_values(["probability", "user_id"], ascending=[False, True]).head(10).to_string(index=False))
