// The command line: the one file that knows the gateway and the subgraphs.
console.log('laurel');
