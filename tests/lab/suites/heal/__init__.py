"""Tests of enrolment, recovery and everyday work, on real machines."""
