// Package push sends WeChat's card events to a merchant's server, for the
// simulator and for tests of a callback. It does not decide which events happen:
// its caller does. It shares no code with the receiver that it tests.
//
// A [Sender] signs, seals and delivers events as "Message push" describes: three
// tries of five seconds each, the events of one person in order, those of
// different persons at the same time. [Fault] makes it repeat, delay, reorder or
// drop events. [Trigger] builds one signed request without a Sender, and [Kinds]
// lists the events with their elements.
package push
