"""How a carrier is spoken to."""
