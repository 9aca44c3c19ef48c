"""Faults as conditions of a trial: declared in the campaign, applied on the hosts, recorded, and undone."""
