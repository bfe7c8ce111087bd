// msgpackr goes on in JavaScript where there is nothing.
module.exports = undefined;
