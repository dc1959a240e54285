"""Routes of old microversions: proxies to the image, network and volume services, and what is gone for good."""
