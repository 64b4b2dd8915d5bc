"""The table of settings, a module for each of its sections.

Each section's class has the one before it as its base, because msgspec gives a struct one base only;
:class:`logserve.settings.Settings` is the last. Not here: what is derived from the table.
"""
