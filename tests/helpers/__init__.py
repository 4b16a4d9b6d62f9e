"""What tests of several rooms share: alerts, models, networks and a stand-in for a device."""
