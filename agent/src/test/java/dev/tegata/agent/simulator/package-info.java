// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
@NullMarked
package dev.tegata.agent.simulator;

import org.jspecify.annotations.NullMarked;
