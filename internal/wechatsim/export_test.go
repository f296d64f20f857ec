package wechatsim

// The parts that vectors.json has data for.
var (
	Digest      = digest
	JSSDKDigest = jssdkDigest
)
