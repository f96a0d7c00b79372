// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The process beside an MQTT broker that knows who may be in.
@NullMarked
package dev.tegata.server.mqtt;

import org.jspecify.annotations.NullMarked;
