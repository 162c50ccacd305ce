"""The textbook way in pandas, as churn tutorials write it: everything in memory, cross join, lambdas, CSV out."""

import sys
from pathlib import Path

import pandas as pd


def build(landing: Path, output: Path) -> None:
    users = pd.concat([pd.read_csv(path) for path in sorted((landing / "users").glob("*/*.csv"))], ignore_index=True)
    events = pd.concat([pd.read_csv(path) for path in sorted((landing / "events").glob("*/*.csv"))], ignore_index=True)
    users.to_csv(output / "raw_users.csv", index=False)
    events.to_csv(output / "raw_events.csv", index=False)

    users["signup_date"] = pd.to_datetime(users["signup_date"])
    users["plan"] = users["plan"].apply(lambda x: str(x).strip().lower())
    users["country"] = users["country"].apply(lambda x: str(x).strip().upper())
    users = users.drop_duplicates("user_id", keep="last")
    users.to_csv(output / "clean_users.csv", index=False)

    events = events.drop_duplicates("event_id").dropna(subset=["user_id", "event_time"])
    events["event_time"] = pd.to_datetime(events["event_time"])
    events["date"] = events["event_time"].apply(lambda x: x.date())
    events["date"] = pd.to_datetime(events["date"])
    events["event_type"] = events["event_type"].apply(lambda x: x.strip().lower())
    events["watch_minutes"] = events["watch_minutes"].fillna(0)
    events.to_csv(output / "clean_events.csv", index=False)

    calendar = pd.DataFrame({"date": pd.date_range(events["date"].min(), events["date"].max())})
    users["key"], calendar["key"] = 1, 1
    grid = users.merge(calendar, on="key").drop(columns="key")
    grid = grid[grid["date"] >= grid["signup_date"]]
    grid["days_since_signup"] = (grid["date"] - grid["signup_date"]).dt.days
    grid.to_csv(output / "user_day_grid.csv", index=False)

    daily = (
        events.groupby(["user_id", "date"])
        .agg(
            total_events=("event_id", "count"),
            total_logins=("event_type", lambda x: (x == "login").sum()),
            total_watch_minutes=("watch_minutes", "sum"),
            total_quiz_attempts=("event_type", lambda x: (x == "quiz_attempt").sum()),
            distinct_courses=("course_id", "nunique"),
            avg_quiz_score=("quiz_score", "mean"),
            total_enrollments=("event_type", lambda x: (x == "course_enroll").sum()),
            payment_success_count=("event_type", lambda x: (x == "payment_success").sum()),
            payment_failed_count=("event_type", lambda x: (x == "payment_failed").sum()),
            payment_amount=("amount", "sum"),
            support_ticket_count=("event_type", lambda x: (x == "support_ticket").sum()),
        )
        .reset_index()
    )
    user_daily = grid.merge(daily, on=["user_id", "date"], how="left")
    user_daily["is_active"] = user_daily["total_events"].notna().astype(int)
    user_daily = user_daily.fillna(0)
    user_daily.to_csv(output / "user_daily.csv", index=False)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
