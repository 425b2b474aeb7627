"""routing/: the policy, in the words of the seed's route block. Plain functions from what is known of a request
to an action; never a socket, a row or a clock.
"""
