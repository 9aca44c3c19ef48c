"""What other programs read of a run: tables, traces and spans, made of the same analysis as the report. Pure."""
