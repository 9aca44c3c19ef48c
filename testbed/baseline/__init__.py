"""What each link can do by itself, measured before a campaign: rates, latency idle and loaded, loss, path MTU."""
