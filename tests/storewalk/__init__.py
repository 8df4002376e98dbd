"""Two writers of one store in etcd at random, killed and cut off at random: no batch is lost, halved or seen twice."""
