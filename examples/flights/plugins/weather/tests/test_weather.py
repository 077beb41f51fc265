"""The rule, hour by hour, and once as SQL calls it.

Run by `PYTHONPATH=plugins/sdk/python python3 -m unittest discover -s examples/flights/plugins/weather/tests`.
"""

import sys
import unittest
from pathlib import Path

from transom.testing import call_function

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from weather import severity  # noqa: E402


def hour(wind_speed=8.0, wind_gust=None, visib=10.0, precip=0.0, temp=55.0):
    """A fine hour, but for what is given."""
    return severity(wind_speed, wind_gust, visib, precip, temp)


class Severity(unittest.TestCase):
    def test_a_fine_hour_is_good(self):
        self.assertEqual(hour(), "good")

    def test_the_worst_of_all_readings_counts(self):
        self.assertEqual(hour(wind_speed=26.0, visib=2.0, precip=0.12), "poor")

    def test_gusts_count_as_wind_does(self):
        self.assertEqual(hour(wind_gust=41.0), "poor")
        self.assertEqual(hour(wind_gust=66.7), "severe")

    def test_limits_of_visibility_are_those_of_flight_categories(self):
        readings = [(6.0, "good"), (5.0, "marginal"), (3.0, "marginal"), (2.5, "poor"), (1.0, "poor"), (0.25, "severe")]
        for miles, expected in readings:
            self.assertEqual(hour(visib=miles), expected, miles)

    def test_what_falls_while_it_freezes_is_one_level_worse(self):
        self.assertEqual(hour(precip=0.02, temp=40.0), "good")
        self.assertEqual(hour(precip=0.02, temp=32.0), "marginal")
        self.assertEqual(hour(visib=0.5, precip=0.02, temp=30.0), "severe")

    def test_a_dry_frost_is_good(self):
        self.assertEqual(hour(temp=11.0), "good")

    def test_what_was_not_reported_is_taken_for_harmless(self):
        self.assertEqual(severity(None, None, None, None, None), "good")
        self.assertEqual(hour(precip=0.02, temp=None), "good")

    def test_a_wind_that_cannot_be_true_is_no_reading(self):
        # EWR, February 12, 3 a.m.
        self.assertEqual(hour(wind_speed=1048.36), "good")

    def test_sql_gets_one_word_for_each_hour_nulls_included(self):
        called = call_function(severity, [8.0, None], [None, 60.0], [10.0, 10.0], [0.0, 0.4], [55.0, None])
        self.assertEqual((called.values, called.rejected), (["good", "severe"], []))


if __name__ == "__main__":
    unittest.main()
