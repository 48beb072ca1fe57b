from hypothesis import settings

# an example that waits for a busy machine is no fault
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
