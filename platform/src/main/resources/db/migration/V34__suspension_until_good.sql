-- SPDX-FileCopyrightText: The Tegata authors
-- SPDX-License-Identifier: Apache-2.0

-- Whether a suspension ends by itself when the device proves that it is good: one that its posture brought about. It says
-- nothing of a device that is not suspended.
ALTER TABLE device ADD COLUMN suspended_until_good boolean NOT NULL DEFAULT false;
