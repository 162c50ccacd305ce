"""From landing files to a training set in textbook pandas: user_daily as tutorials have it, then one groupby-rolling for each
column and window, labels by looking ahead within each user, a split by date, CSV between the scripts.
"""

import sys
from pathlib import Path

import pandas as pd

from bench import textbook

WINDOWS = (7, 14, 30)
HORIZON, AT_RISK, STRIDE = 30, 30, 7
SUMS = (
    *("total_events", "total_logins", "total_watch_minutes", "total_quiz_attempts", "total_enrollments"),
    *("payment_success_count", "payment_failed_count", "payment_amount", "support_ticket_count"),
)
LAST_SEEN = {
    "activity": "total_events",
    "login": "total_logins",
    "video": "total_watch_minutes",
    "quiz": "total_quiz_attempts",
    "payment": "payment_success_count",
}


def build(landing: Path, output: Path) -> None:
    textbook.build(landing, output)
    daily = pd.read_csv(output / "user_daily.csv", parse_dates=["date"]).sort_values(["user_id", "date"])
    features = _features(daily)
    features.to_csv(output / "user_features.csv", index=False)
    labels = _labels(daily)
    labels.to_csv(output / "churn_labels.csv", index=False)
    _training_set(output)


def _features(daily: pd.DataFrame) -> pd.DataFrame:
    by_user = daily.groupby("user_id")
    features = daily[["user_id", "date", "plan", "is_paid", "country", "marketing_source", "days_since_signup"]].copy()
    for days in WINDOWS:
        for column in SUMS:
            features[f"{column}_{days}d"] = by_user[column].transform(
                lambda x, n=days: x.rolling(n, min_periods=1).sum()
            )
        features[f"active_days_{days}d"] = by_user["is_active"].transform(
            lambda x, n=days: x.rolling(n, min_periods=1).sum()
        )
        features[f"avg_quiz_score_{days}d"] = by_user["avg_quiz_score"].transform(
            lambda x, n=days: x.rolling(n, min_periods=1).mean()
        )
    for name, column in LAST_SEEN.items():
        last = daily["date"].where(daily[column] > 0).groupby(daily["user_id"]).ffill()
        features[f"days_since_last_{name}"] = (daily["date"] - last).dt.days
    return features


def _labels(daily: pd.DataFrame) -> pd.DataFrame:
    by_user = daily.groupby("user_id")["is_active"]
    labels = daily[["user_id", "date"]].copy()
    labels["future_active_days"] = by_user.transform(lambda x: x[::-1].rolling(HORIZON).sum()[::-1].shift(-1))
    labels["churned_30d"] = labels["future_active_days"] == 0
    labels["is_at_risk"] = by_user.transform(lambda x: x.rolling(AT_RISK, min_periods=1).sum()) > 0
    return labels[labels["future_active_days"].notna()]


def _training_set(output: Path) -> None:
    features = pd.read_csv(output / "user_features.csv", parse_dates=["date"])
    labels = pd.read_csv(output / "churn_labels.csv", parse_dates=["date"])
    rows = features.merge(labels, on=["user_id", "date"])
    days = sorted(rows["date"].unique())
    rows = rows[rows["is_at_risk"] & rows["date"].isin(days[::STRIDE])]
    first, second = days[int(len(days) * 0.6)], days[int(len(days) * 0.8)]
    rows[rows["date"] < first].to_csv(output / "train.csv", index=False)
    rows[(rows["date"] >= first) & (rows["date"] < second)].to_csv(output / "validation.csv", index=False)
    rows[rows["date"] >= second].to_csv(output / "test.csv", index=False)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
