// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Admissions: whether those who show a certificate may be where they want to be, for brokers and gateways.
@NullMarked
package dev.tegata.platform.admission;

import org.jspecify.annotations.NullMarked;
