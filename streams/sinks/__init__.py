"""Where figures go: each sink takes absolute figures, so writing them twice, late or out of order changes nothing."""
