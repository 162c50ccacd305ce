"""Cases that need more than one file or a whole graph: the tests that prove them."""

from __future__ import annotations

from collections.abc import Mapping

PROVEN: Mapping[int, tuple[str, ...]] = {
    1: ("test_cli.py::test_an_undelivered_day_fails_with_its_path_and_leaves_no_partition",),
    3: ("test_graph.py::test_an_empty_day_is_published_as_a_day_without_rows",),
    12: ("test_bad_inputs.py::test_12_several_files_of_several_formats_are_one_day",),
    14: ("test_readers.py::test_14_decompression_bomb_is_refused_by_ratio_and_by_size",),
    16: ("test_bad_inputs.py::test_16_a_file_delivered_again_under_another_name_changes_no_content",),
    17: (
        "test_readers.py::test_17_paths_out_of_the_landing_folder_are_refused",
        "test_readers.py::test_17_what_is_no_readable_file_is_refused",
    ),
    18: (
        "test_volume.py::test_18_more_than_ten_times_the_trailing_week_is_stopped",
        "test_volume.py::test_a_surge_stops_what_comes_after_until_it_is_said_to_be_expected",
    ),
    19: ("test_volume.py::test_19_fewer_than_half_of_the_trailing_week_warns_but_not_of_a_weekend",),
    25: ("test_schema_evolution.py::test_25_versions_mixed_in_one_day_are_aligned_and_each_difference_is_named",),
    34: ("test_bad_inputs.py::test_what_is_accepted_with_a_warning_raises_it",),
    35: ("test_bad_inputs.py::test_what_is_accepted_with_a_warning_raises_it",),
    37: ("test_bad_inputs.py::test_what_is_accepted_with_a_warning_raises_it",),
    45: ("test_restate.py::test_a_late_event_touches_the_days_the_specification_says",),
    46: (
        "test_user_days.py::test_46_the_first_and_last_microsecond_of_a_day_belong_to_it_and_their_neighbours_do_not",
    ),
    47: ("test_clean_events.py::test_47_a_copy_landed_within_lateness_days_is_a_duplicate_of_the_later_day",),
    49: (
        "test_user_days.py::test_49_an_event_that_no_grid_row_takes_is_kept_with_its_reason",
        "test_checks.py::test_it_turns_red_on_the_day_and_only_there",
    ),
    51: ("test_user_days.py::test_51_a_plan_counts_from_the_day_its_version_landed",),
    52: ("test_user_days.py::test_52_a_user_missing_from_later_snapshots_keeps_the_last_version",),
    53: ("test_bad_inputs.py::test_53_without_a_single_user_it_says_so_and_publishes_no_user_day",),
    54: (
        "test_warehouse.py::test_a_full_disk_leaves_the_old_partition_and_one_sentence",
        "test_warehouse.py::test_a_read_only_folder_can_be_read_and_writing_is_refused",
        "test_cli.py::test_a_warehouse_held_by_another_process_is_waited_for_and_then_named",
        "test_land_dump.py::test_a_full_disk_is_one_sentence_and_leaves_no_landing",
    ),
    55: (
        "test_warehouse.py::test_odd_names_are_refused_and_never_escaped",
        "test_warehouse.py::test_no_value_ever_becomes_sql",
        "test_bad_inputs.py::test_55_a_partition_or_table_that_is_sql_is_refused",
        "test_bad_inputs.py::test_55_a_file_whose_name_is_sql_is_a_file_like_any_other",
    ),
    56: (
        "test_report.py::test_a_hostile_name_is_text_and_nothing_runs_or_is_fetched",
        "test_export.py::test_in_csv_a_text_that_a_spreadsheet_would_compute_is_quoted_and_a_number_is_not",
    ),
}
