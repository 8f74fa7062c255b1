"""Judging what was synthesized: scores of a set, tables of results, the report page and a model's card."""
