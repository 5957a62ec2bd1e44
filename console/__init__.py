"""How people look at executions and steer them. No rule of the engine lives here."""
