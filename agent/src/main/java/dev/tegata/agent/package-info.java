// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The device side: keys in a chip, enrolment over EST.
@NullMarked
package dev.tegata.agent;

import org.jspecify.annotations.NullMarked;
