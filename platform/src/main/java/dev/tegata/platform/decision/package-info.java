// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Whether a device may use a service now, for brokers and gateways that ask at each connection.
@NullMarked
package dev.tegata.platform.decision;

import org.jspecify.annotations.NullMarked;
