(memory $memory 32768)
