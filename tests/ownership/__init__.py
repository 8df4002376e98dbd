"""Never two owners, proved: the rules of the product in a model of sites, clocks, a store and switches."""
