// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Check-ins: a device says how it is, and hears what to do and when to come back.
@NullMarked
package dev.tegata.platform.checkin;

import org.jspecify.annotations.NullMarked;
