"""The design of a campaign, pure: factors, cells, blocks, order, budget, and the plan that follows from them."""
