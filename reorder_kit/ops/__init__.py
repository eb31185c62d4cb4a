"""The mathematics: functions of tensors, independent of recipes, with a plain naive version of each fast one."""
