"The data language: values and Hy models, to text and back. Nothing here knows of
sockets or evaluates anything."
