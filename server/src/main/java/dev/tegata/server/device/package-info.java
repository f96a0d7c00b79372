// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The device protocol of our own: check-ins, straight or by way of a gateway.
@NullMarked
package dev.tegata.server.device;

import org.jspecify.annotations.NullMarked;
