"""The mathematics: functions of tensors that know nothing of recipes, a plain naive version beside each fast one."""
