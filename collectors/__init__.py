"""Sample what hosts, processes and interfaces did while Flower ran, beside a trial and never inside it."""
