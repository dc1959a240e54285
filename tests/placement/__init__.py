"""Our Placement API against the tests that the openstack-placement package ships."""
