package push

// SealMessage is exported for the published vectors.
var SealMessage = sealMessage
