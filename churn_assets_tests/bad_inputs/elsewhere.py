"""Cases that need more than one file or a whole graph: the tests that prove them."""

from __future__ import annotations

from collections.abc import Mapping

MADE = "test_copies_are_duplicates_others_with_the_id_conflict_and_a_row_without_any_part_has_no_id"
PATHS = "test_a_path_leads_into_json_and_absent_null_empty_and_wrong_are_told_apart"
READ = "test_a_property_is_read_by_its_declaration"
KEPT = "test_an_event_type_keeps_needs_and_wants_positive_what_it_says"
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
        "test_warehouse_files.py::test_a_read_only_folder_can_be_read_and_writing_is_refused",
        "test_cli.py::test_a_warehouse_held_by_another_process_is_waited_for_and_then_named",
        "test_land_dump.py::test_a_full_disk_is_one_sentence_and_leaves_no_landing",
    ),
    55: (
        "test_reading_days.py::test_odd_names_are_refused_and_never_escaped",
        "test_reading_days.py::test_no_value_ever_becomes_sql",
        "test_bad_inputs.py::test_55_a_partition_or_table_that_is_sql_is_refused",
        "test_bad_inputs.py::test_55_a_file_whose_name_is_sql_is_a_file_like_any_other",
    ),
    56: (
        "test_report.py::test_a_hostile_name_is_text_and_nothing_runs_or_is_fetched",
        "test_export.py::test_in_csv_a_text_that_a_spreadsheet_would_compute_is_quoted_and_a_number_is_not",
    ),
    57: ("test_dated_users.py::test_a_version_without_a_usable_day_is_quarantined",),
    58: ("test_bad_inputs.py::test_58_a_file_without_the_column_that_dates_versions_is_refused",),
    59: ("test_dated_users.py::test_two_rows_of_one_validity_that_differ_conflict",),
    60: (
        "test_made_ids.py::test_a_file_without_a_named_column_is_refused_by_its_name",
        "test_made_ids.py::test_a_dump_in_which_no_line_has_the_key_is_refused",
    ),
    61: (f"test_made_ids.py::{MADE}",),
    62: (f"test_made_ids.py::{MADE}",),
    63: (
        "test_typed_parquet.py::test_int96_keeps_what_was_written",
        "test_typed_parquet.py::test_an_erasure_leaves_int96_of_others_as_it_was",
    ),
    64: ("test_typed_parquet.py::test_int96_that_no_unit_holds_is_refused",),
    65: ("test_typed_parquet.py::test_whole_floats_are_written_as_integers_as_long_as_floats_tell_them_apart",),
    66: ("test_typed_parquet.py::test_nan_is_no_value_but_a_number_that_is_wrong",),
    67: ("test_typed_parquet.py::test_what_has_no_text_of_its_own_in_json",),
    69: ("test_parsing.py::test_a_midnight_that_no_clock_shows_or_one_shows_twice_is_its_day",),
    70: (
        "test_time_formats.py::test_a_directive_is_read_back_or_refused",
        "test_time_formats.py::test_what_cannot_work_is_refused_when_the_settings_are_read",
    ),
    71: ("test_time_formats.py::test_letters_that_say_utc_are_not_read_in_another_zone",),
    72: ("test_time_formats.py::test_a_zone_beside_an_epoch_has_no_effect_and_is_refused",),
    73: (
        "test_nested_columns.py::test_epochs_in_microseconds_and_times_as_sql_engines_write_them",
        "test_time_formats.py::test_of_several_formats_the_first_that_reads_a_value_counts",
    ),
    74: ("test_bad_inputs.py::test_74_an_object_or_a_list_is_no_value",),
    75: (
        "test_csv_dialects.py::test_quotes_escaped_by_a_backslash_are_read_and_cut_exactly",
        "test_csv_dialects.py::test_a_lone_quote_in_a_file_without_quotes",
        "test_csv_dialects.py::test_what_is_still_odd_is_still_refused",
    ),
    76: (
        "test_csv_dialects.py::test_a_declared_text_is_no_value_in_any_column_of_events",
        "test_csv_dialects.py::test_of_users_too_and_other_texts_are_as_they_were",
    ),
    77: (
        "test_file_shapes.py::test_gzip_is_known_by_its_content_and_stays_gzip",
        "test_file_shapes.py::test_a_name_that_says_gzip_over_plain_text_is_refused_with_the_remedy",
        "test_file_shapes.py::test_a_name_that_says_zip_over_something_else_is_refused",
    ),
    78: (
        "test_file_shapes.py::test_a_zip_archive_of_one_file_is_read_and_stays_one",
        "test_file_shapes.py::test_any_other_zip_archive_is_refused_as_what_it_is",
        "test_file_shapes.py::test_an_encrypted_archive_is_refused",
    ),
    79: ("test_file_shapes.py::test_what_is_no_text_is_called_by_its_name_before_encodings_are",),
    80: (
        "test_file_shapes.py::test_a_line_that_names_the_separator_is_no_header_and_stays",
        "test_file_shapes.py::test_a_line_that_names_another_separator_is_refused",
    ),
    81: ("test_file_shapes.py::test_an_index_without_a_name_is_refused_with_the_writers_remedy",),
    82: ("test_time_formats.py::test_an_encoding_that_is_none_is_refused",),
    83: (
        "test_unclaimed.py::test_days_outside_the_calendar",
        "test_unclaimed.py::test_each_command_that_says_what_is_up_to_date_says_so",
    ),
    84: ("test_unclaimed.py::test_a_file_of_no_day_is_counted_and_named",),
    85: ("test_unclaimed.py::test_a_calendar_that_is_yet_to_come_is_an_error",),
    86: (
        "test_landing_days.py::test_a_quiet_day_is_an_empty_day",
        "test_landing_days.py::test_what_is_delivered_for_a_quiet_day_later_is_computed_as_if_it_had_been_there",
    ),
    87: ("test_land_dump.py::test_json_lines_stay_as_they_are_and_an_empty_day_is_one_blank_line",),
    88: ("test_landing_days.py::test_with_it_each_folder_lands_on_the_day_on_which_it_was_complete",),
    **dict.fromkeys((89, 90, 91), (f"test_declared_values.py::{PATHS}", f"test_declared_values.py::{READ}")),
    **dict.fromkeys(range(92, 99), (f"test_declared_values.py::{READ}",)),
    **dict.fromkeys(range(99, 102), (f"test_declared_values.py::{KEPT}",)),
    125: (
        "test_zones.py::test_checks_count_days_by_the_rules_that_the_tables_are_made_by",
        "test_zones.py::test_a_time_in_every_zone_is_the_instant_that_the_zone_says",
    ),
    126: ("test_zones.py::test_a_zone_that_depends_on_the_machine_or_is_none_is_refused",),
    127: ("test_readers.py::test_15_a_delimiter_that_cannot_be_one_is_refused",),
    128: ("test_bad_inputs.py::test_128_what_is_said_of_columns_that_are_not_there_is_refused",),
    129: (
        "test_labels_kinds.py::test_at_risk_is_whose_last_event_was_a_start",
        "test_labels_kinds.py::test_of_several_cancellations_the_first_counts",
    ),
    130: ("test_bad_inputs.py::test_130_a_signup_day_is_the_day_that_is_written",),
    131: (
        "test_labels_kinds.py::test_who_cancels_on_one_of_the_days_after_churns",
        "test_labels_kinds.py::test_who_has_paid_through_one_of_the_days_after_is_at_risk_and_lapses_on_it",
    ),
    132: (
        "test_shares.py::test_a_day_of_which_most_is_rejected_is_stopped",
        "test_shares.py::test_a_wrong_id_type_stops_a_backfill_which_says_so_and_goes_on_once_it_is_set",
    ),
    133: ("test_checks.py::test_what_waits_for_a_table_whose_check_fails_is_not_computed_by_a_second_try",),
    134: (
        "test_user_days.py::test_what_a_dump_says_of_users_is_not_known_before_its_day",
        "test_product_tables.py::test_before_they_are_known_attributes_are_missing_and_all_else_is_as_it_was",
        "test_land_dump.py::test_attributes_that_nothing_dates_are_named_until_the_settings_say_when_they_were_known",
    ),
    135: ("test_land_dump.py::test_users_with_several_rows_that_differ_are_counted",),
    136: ("test_lacking_columns.py::test_what_a_source_lacks_warns_until_it_says_so",),
    137: ("test_graph.py::test_refused_files_are_all_named_and_every_other_day_is_published",),
    138: ("test_graph.py::test_each_table_of_a_step_can_be_asked_for_alone_and_all_are_computed",),
    139: (
        "test_dagster_command.py::test_a_range_that_ends_before_it_starts_is_refused_in_a_sentence_of_ours",
        "test_cli.py::test_days_out_of_the_calendar_are_refused",
    ),
    140: ("test_every_command.py::test_a_command_while_another_process_holds_the_warehouse",),
    141: ("test_dagster_home.py::test_what_is_no_folder_is_refused_before_anything_is_made",),
    142: ("test_features_as_of.py::test_what_cannot_be_looked_up_is_refused_without_quoting_it",),
    143: ("test_features_as_of.py::test_unsettled_it_is_null_where_a_row_landed_after_the_instant",),
    144: (
        "test_typed_parquet.py::test_an_erasure_finds_an_id_of_any_type",
        "test_typed_parquet.py::test_an_erasure_finds_an_id_that_cleaning_does_not_take_for_one",
        "test_unclaimed.py::test_an_erasure_looks_into_what_no_run_reads",
        "test_unclaimed.py::test_what_it_is_undecided_about_it_names_and_fails",
    ),
    145: ("test_fuzz.py::test_texts_as_views_can_be_erased_and_landed_too",),
}
