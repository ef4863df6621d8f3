"""What engines that run on a Java virtual machine need: Java, their jars, a command line, class-data archives."""
