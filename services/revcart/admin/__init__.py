"""The back office: one door for ADMINs to what the other services own, and the record of what they did."""
